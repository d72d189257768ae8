select 1 / ('2024-07-01 12:00+00'::timestamptz at time zone 'Asia/Kathmandu' = '2024-07-01 17:45')::int;
set timezone = 'America/New_York';
select '2024-07-01 12:00+00'::timestamptz;
select count(*) > 300 from pg_timezone_names;
