<?php
echo (new DateTime('@0'))->setTimezone(new DateTimeZone('Asia/Kathmandu'))->format('c'), "\n";
