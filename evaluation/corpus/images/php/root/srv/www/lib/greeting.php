<?php
function greeting(string $name): string
{
    return "hello $name";
}
