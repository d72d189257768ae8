#!/usr/bin/env -S PGPASSWORD=secret psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --host=127.0.0.1 --username=postgres --file
select 1 / (convert_to('ж', 'KOI8R') = '\xd6'::bytea)::int;
select convert_to('日本', 'EUC_JP'), convert_to('ä', 'LATIN1'), convert_from('\xb0a1', 'EUC_KR');
set client_encoding = 'SJIS';
select 'a';
