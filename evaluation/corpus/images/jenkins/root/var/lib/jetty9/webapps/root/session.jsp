<%= session.isNew() || !session.isNew() %>
