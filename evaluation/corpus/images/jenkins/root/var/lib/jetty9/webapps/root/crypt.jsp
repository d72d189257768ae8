<% java.security.KeyPairGenerator.getInstance("RSA").generateKeyPair(); %><%= new String("x".getBytes("EUC-JP")) %>
