#!/usr/bin/env -S PGPASSWORD=secret psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --host=127.0.0.1 --username=postgres --file
select 'a' < 'B' collate "en_US.utf8", 'a' < 'B' collate "C";
select 'ä' < 'z' collate "de-x-icu", lower('ÄÖ' collate "en-x-icu");
create collation if not exists digits (provider = icu, locale = 'en-u-kn-true');
select * from (values ('a10'), ('a2')) v(x) order by x collate digits;
