<% if (true) throw new IllegalStateException("this page fails"); %>
