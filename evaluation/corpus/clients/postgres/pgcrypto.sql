create extension if not exists pgcrypto;
select encode(digest('a', 'sha256'), 'hex'), crypt('secret', gen_salt('bf')) is not null;
select pgp_sym_decrypt(pgp_sym_encrypt('hidden', 'key'), 'key');
