#!/usr/bin/env -S PGPASSWORD=secret psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --host=127.0.0.1 --username=postgres --file
select xmlelement(name a, xmlattributes('b' as c), 'text');
select xpath('/a/b/text()', '<a><b>1</b></a>');
select table_to_xml('pg_am', true, false, '') is not null;
