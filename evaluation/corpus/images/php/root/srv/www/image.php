<?php
header('Content-Type: image/png');
$image = imagecreatetruecolor(16, 16);
imagefilledrectangle($image, 0, 0, 15, 15, imagecolorallocate($image, 200, 0, 0));
imagepng($image);
