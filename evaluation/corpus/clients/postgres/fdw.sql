create extension if not exists file_fdw;
create server if not exists files foreign data wrapper file_fdw;
create foreign table if not exists passwd (name text, x text, uid int, gid int, gecos text, home text, shell text)
    server files options (filename '/etc/passwd', delimiter ':');
select count(*) from passwd;
