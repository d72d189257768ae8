# Sourced: the statements of a file in postgres/, of which none may fail.
run() { PGPASSWORD=secret psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 -h 127.0.0.1 -U postgres -f "postgres/$1.sql"; }
