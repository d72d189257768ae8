select jsonb_path_query('{"a": [1, 2, 3]}', '$.a[*] ? (@ > 1)');
select jsonb_pretty(jsonb_set('{"a": 1}', '{b}', '[2]')), json_agg(n) from generate_series(1, 3) n;
select * from json_to_recordset('[{"a": 1}, {"a": 2}]') as x(a int);
