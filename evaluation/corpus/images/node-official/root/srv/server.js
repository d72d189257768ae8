// A server with a page for each of some features; a feature's module is loaded when it is asked for.
const http = require('http');
const pages = {
  '/': () => 'served by node\n',
  '/json': () => JSON.stringify({ answer: 42 }) + '\n',
  '/hash': () => require('crypto').createHash('sha256').update('a').digest('hex') + '\n',
  '/gzip': () => require('zlib').gzipSync('x'.repeat(1000)).length + '\n',
  '/intl': () => new Intl.DateTimeFormat('de-DE', { timeZone: 'Asia/Tokyo', dateStyle: 'full' }).format(0) + '\n',
  '/file': () => require('fs').readFileSync(__dirname + '/data/words.txt', 'utf8'),
  '/module': () => require('./lib/plural').plural('word') + '\n',
  '/fail': () => { throw new Error('this page fails'); },
};
const server = http.createServer((request, response) => {
  try {
    const page = pages[new URL(request.url, 'http://localhost').pathname];
    response.statusCode = page ? 200 : 404;
    response.end(page ? page() : 'there is no such page\n');
  } catch (error) {
    response.statusCode = 500;
    response.end(`${error.message}\n`);
  }
});
process.on('SIGTERM', () => process.exit(0));
server.listen(process.env.PORT || 3000);
