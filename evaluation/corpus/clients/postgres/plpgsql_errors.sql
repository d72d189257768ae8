do $$ begin perform 1 / 0; exception when division_by_zero then raise notice 'caught %', sqlerrm; end $$;
do $$ begin execute 'select * from nowhere'; exception when undefined_table then null; end $$;
create or replace procedure two_steps() language plpgsql as $$ begin create temp table if not exists t (x int); commit; end $$;
call two_steps();
