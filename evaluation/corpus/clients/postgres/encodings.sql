select 1 / (convert_to('ж', 'KOI8R') = '\xd6'::bytea)::int;
select convert_to('日本', 'EUC_JP'), convert_to('ä', 'LATIN1'), convert_from('\xb0a1', 'EUC_KR');
set client_encoding = 'SJIS';
select 'a';
