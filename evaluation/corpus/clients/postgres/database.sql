drop database if exists other;
create database other encoding 'LATIN1' locale 'C' template template0;
\connect other
create table a (b text);
insert into a values ('ä');
copy a to stdout;
\connect postgres
drop database other;
