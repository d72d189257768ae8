core.register_service("hello", "http", function(applet)
    local text = "hello from lua\n"
    applet:set_status(200)
    applet:add_header("content-length", string.len(text))
    applet:start_response()
    applet:send(text)
end)
