<html><body><h1><%= "served by Jetty" %></h1><a href="sum.jsp">sum</a> <a href="style.css">style</a></body></html>
