#!/usr/bin/env -S PGPASSWORD=secret psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --host=127.0.0.1 --username=postgres --file
drop database if exists other;
create database other encoding 'LATIN1' locale 'C' template template0;
\connect other
create table a (b text);
insert into a values ('ä');
copy a to stdout;
\connect postgres
drop database other;
