create or replace function twice(x integer) returns integer language sql immutable as 'select 2 * x';
select twice(21);
create or replace function greet(name text) returns text language plpgsql as $$ begin return 'hello ' || name; end $$;
select greet('world'), md5('a'), length('abc'), regexp_replace('abc', 'b', 'x'), to_char(1234.5, '9G999D0');
select row_number() over (order by n) from generate_series(1, 3) n;
with recursive t(n) as (select 1 union all select n + 1 from t where n < 10) select sum(n) from t;
