<!DOCTYPE html><html><body><h1><?= 'served by PHP' ?></h1></body></html>
