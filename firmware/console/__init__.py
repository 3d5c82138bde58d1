"""How staff and technicians reach the running kiosk: a Unix socket, and the commands that speak to it."""
