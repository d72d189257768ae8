# A server with a page for each of some features; a feature's library is loaded when it is asked for.
require 'webrick'

PAGES = {
  '/' => -> { "served by jruby\n" },
  '/json' => -> { require 'json'; JSON.generate(answer: 42) },
  '/java' => -> { require 'java'; java.util.ArrayList.new([1, 2]).to_s },
  '/digest' => -> { require 'digest'; Digest::SHA256.hexdigest('a') },
  '/yaml' => -> { require 'yaml'; { 'a' => [1, 2] }.to_yaml },
  '/erb' => -> { require 'erb'; ERB.new('<p><%= 6 * 7 %></p>').result },
  '/time' => -> { require 'time'; Time.at(0).utc.iso8601 },
  '/zlib' => -> { require 'zlib'; Zlib::Deflate.deflate('x' * 1000).length.to_s },
  '/csv' => -> { require 'csv'; CSV.parse("a,b\n1,2\n").inspect },
  '/encoding' => -> { 'ж'.encode('KOI8-R').bytes.inspect },
  '/zone' => -> { java.time.ZonedDateTime.of(2024, 7, 1, 0, 0, 0, 0, java.time.ZoneId.of('Asia/Kathmandu')).to_s },
  '/fail' => -> { raise 'this page fails' }
}.freeze

server = WEBrick::HTTPServer.new(Port: 5000)
server.mount_proc('/') do |request, response|
  page = PAGES[request.path]
  response.status = page ? 200 : 404
  response.body = page ? page.call : "there is no such page\n"
end
trap('TERM') { server.shutdown }
server.start
