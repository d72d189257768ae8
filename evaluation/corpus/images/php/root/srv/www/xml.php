<?php
$document = new DOMDocument();
$document->loadXML('<a><b>1</b></a>');
echo (new DOMXPath($document))->evaluate('string(/a/b)'), simplexml_load_string('<a><c>2</c></a>')->c, "\n";
