set max_parallel_workers_per_gather = 2;
set parallel_setup_cost = 0;
set parallel_tuple_cost = 0;
set min_parallel_table_scan_size = 0;
set jit = on;
set jit_above_cost = 0;
create table if not exists many as select n from generate_series(1, 50000) n;
select sum(n), avg(sqrt(n)) from many where n % 3 = 0;
