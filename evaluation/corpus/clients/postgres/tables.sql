#!/usr/bin/env -S PGPASSWORD=secret psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --host=127.0.0.1 --username=postgres --file
create table if not exists numbers (n integer primary key, word text);
insert into numbers select n, 'word ' || n from generate_series(1, 100) n on conflict do nothing;
create index if not exists numbers_word on numbers (word);
begin;
update numbers set word = upper(word) where n < 10;
rollback;
select count(*), min(word), max(n) from numbers where word like 'word 1%';
delete from numbers where n > 90;
vacuum analyze numbers;
explain select * from numbers where n = 5;
