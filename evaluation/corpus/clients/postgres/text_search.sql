#!/usr/bin/env -S PGPASSWORD=secret psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --host=127.0.0.1 --username=postgres --file
select 1 / (to_tsvector('english', 'running databases') = '''databas'':2 ''run'':1'::tsvector)::int;
select to_tsvector('german', 'laufende Datenbanken'), to_tsvector('russian', 'базы данных');
select ts_headline('english', 'a fat cat sat', to_tsquery('english', 'cats'));
