select 1.5::numeric(10, 2), 'text'::varchar(10), true, now() is not null, '2024-02-29'::date + interval '1 year';
select array[1, 2, 3], '{"a": 1}'::jsonb -> 'a', '\xdeadbeef'::bytea, gen_random_uuid() is not null;
select '192.168.0.0/16'::cidr, int4range(1, 5), point(1, 2), 'a'::char;
