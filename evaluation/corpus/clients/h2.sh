# Sourced: SQL by the protocol of PostgreSQL; $$ stands for a quote.
ask() { PGPASSWORD=secret psql --no-psqlrc -h 127.0.0.1 -p 5435 -U sa -At -v ON_ERROR_STOP=1 test <<<"${1//\$\$/\'};"; }
