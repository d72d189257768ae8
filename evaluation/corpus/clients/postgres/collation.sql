select 'a' < 'B' collate "en_US.utf8", 'a' < 'B' collate "C";
select 'ä' < 'z' collate "de-x-icu", lower('ÄÖ' collate "en-x-icu");
create collation if not exists digits (provider = icu, locale = 'en-u-kn-true');
select * from (values ('a10'), ('a2')) v(x) order by x collate digits;
