/** The browser's WebSocket with the network in the test's hand. */
export class NetWebSocket {
  static made = [];
  sent = [];
  constructor(url) {
    this.url = url;
    NetWebSocket.made.push(this);
  }
  send(data) {
    this.sent.push(JSON.parse(data));
  }
  close(code) {
    this.closedWith = code;
  }
  say(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }
}
