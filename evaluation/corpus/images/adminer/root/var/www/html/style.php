<?php header('Content-Type: text/css'); readfile('/tmp/adminer.css');
