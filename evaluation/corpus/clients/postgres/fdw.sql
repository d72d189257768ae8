#!/usr/bin/env -S PGPASSWORD=secret psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --host=127.0.0.1 --username=postgres --file
create extension if not exists file_fdw;
create server if not exists files foreign data wrapper file_fdw;
create foreign table if not exists passwd (name text, x text, uid int, gid int, gecos text, home text, shell text)
    server files options (filename '/etc/passwd', delimiter ':');
select count(*) from passwd;
