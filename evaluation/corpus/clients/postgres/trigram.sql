#!/usr/bin/env -S PGPASSWORD=secret psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --host=127.0.0.1 --username=postgres --file
create extension if not exists pg_trgm;
create extension if not exists unaccent;
create extension if not exists hstore;
select similarity('word', 'two words'), unaccent('Hôtel'), 'a=>1'::hstore -> 'a';
