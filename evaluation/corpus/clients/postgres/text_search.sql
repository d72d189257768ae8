select 1 / (to_tsvector('english', 'running databases') = '''databas'':2 ''run'':1'::tsvector)::int;
select to_tsvector('german', 'laufende Datenbanken'), to_tsvector('russian', 'базы данных');
select ts_headline('english', 'a fat cat sat', to_tsquery('english', 'cats'));
