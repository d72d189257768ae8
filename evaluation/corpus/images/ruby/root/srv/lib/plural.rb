def plural(word)
  "#{word}s"
end
