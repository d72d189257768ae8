#!/usr/bin/env -S PGPASSWORD=secret psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --host=127.0.0.1 --username=postgres --file
select jsonb_path_query('{"a": [1, 2, 3]}', '$.a[*] ? (@ > 1)');
select jsonb_pretty(jsonb_set('{"a": 1}', '{b}', '[2]')), json_agg(n) from generate_series(1, 3) n;
select * from json_to_recordset('[{"a": 1}, {"a": 2}]') as x(a int);
