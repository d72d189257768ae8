# A server with a page for each of some features; a feature's library is loaded when it is asked for.
require 'webrick'

PAGES = {
  '/' => -> { "served by ruby\n" },
  '/json' => -> { require 'json'; JSON.generate(answer: 42) },
  '/sql' => lambda {
    require 'sqlite3'
    SQLite3::Database.new(':memory:').execute('select 6 * 7').flatten.first.to_s
  },
  '/digest' => -> { require 'digest'; Digest::SHA256.hexdigest('a') },
  '/yaml' => -> { require 'yaml'; { 'a' => [1, 2] }.to_yaml },
  '/time' => -> { require 'time'; Time.at(0).utc.iso8601 },
  '/erb' => -> { require 'erb'; ERB.new(File.read("#{__dir__}/views/page.erb")).result_with_hash(name: 'world') },
  '/csv' => -> { require 'csv'; CSV.parse("a,b\n1,2\n").inspect },
  '/own' => -> { require_relative 'lib/plural'; plural('word') },
  '/encoding' => -> { 'ж'.encode('KOI8-R').bytes.inspect + 'ä'.unicode_normalize(:nfd).length.to_s },
  '/fail' => -> { raise 'this page fails' }
}.freeze

server = WEBrick::HTTPServer.new(Port: 8000)
server.mount_proc('/') do |request, response|
  page = PAGES[request.path]
  response.status = page ? 200 : 404
  response.body = page ? page.call : "there is no such page\n"
end
trap('TERM') { server.shutdown }
server.start
