<?php
// Settings of the environment: NAME, or the content of the file that NAME_FILE names.
function setting(string $name, string $default = ''): string
{
    $file = getenv("{$name}_FILE");
    return $file ? rtrim(file_get_contents($file)) : (getenv($name) ?: $default);
}

define('DB_NAME', setting('WORDPRESS_DB_NAME', 'wordpress'));
define('DB_USER', setting('WORDPRESS_DB_USER', 'wordpress'));
define('DB_PASSWORD', setting('WORDPRESS_DB_PASSWORD'));
define('DB_HOST', setting('WORDPRESS_DB_HOST', 'mysql'));
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
foreach (['AUTH_KEY', 'SECURE_AUTH_KEY', 'LOGGED_IN_KEY', 'NONCE_KEY', 'AUTH_SALT', 'NONCE_SALT'] as $name) {
    define($name, $name . setting("WORDPRESS_$name", 'put a salt here'));
}
$table_prefix = setting('WORDPRESS_TABLE_PREFIX', 'wp_');
define('WP_DEBUG', (bool) setting('WORDPRESS_DEBUG'));
define('WP_HTTP_BLOCK_EXTERNAL', true);
if ($extra = setting('WORDPRESS_CONFIG_EXTRA')) {
    eval($extra);
}
if (!defined('ABSPATH')) {
    define('ABSPATH', __DIR__ . '/');
}
require_once ABSPATH . 'wp-settings.php';
