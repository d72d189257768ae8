select xmlelement(name a, xmlattributes('b' as c), 'text');
select xpath('/a/b/text()', '<a><b>1</b></a>');
select table_to_xml('pg_am', true, false, '') is not null;
