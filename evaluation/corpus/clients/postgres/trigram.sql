create extension if not exists pg_trgm;
create extension if not exists unaccent;
create extension if not exists hstore;
select similarity('word', 'two words'), unaccent('Hôtel'), 'a=>1'::hstore -> 'a';
