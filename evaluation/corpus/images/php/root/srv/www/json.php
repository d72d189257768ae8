<?php
header('Content-Type: application/json');
echo json_encode(['a' => [1, 2, 3], 'm' => preg_match('/b+/', 'abbc')]), "\n";
