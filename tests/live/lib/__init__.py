"""What the live tests and quickstart share: private mail servers, a private clamd, a mail sink, an
SMTP client, mails to send, and cordond itself. Everything listens on loopback only, keeps its files
below one work folder and is stopped by its process id."""
