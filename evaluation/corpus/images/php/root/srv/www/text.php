<?php
echo mb_strtoupper('äöü'), ' ', iconv('UTF-8', 'ISO-8859-1//TRANSLIT', 'a'), "\n";
