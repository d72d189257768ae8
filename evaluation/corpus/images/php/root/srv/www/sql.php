<?php
$db = new PDO('sqlite::memory:');
$db->exec('create table t (x integer)');
$db->exec('insert into t values (41), (1)');
echo $db->query('select sum(x) from t')->fetchColumn(), "\n";
