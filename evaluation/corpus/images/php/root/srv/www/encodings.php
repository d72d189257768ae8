<?php
echo bin2hex(iconv('UTF-8', 'KOI8-R', 'ж')), ' ', bin2hex(iconv('UTF-8', 'EUC-JP', '日')), "\n";
