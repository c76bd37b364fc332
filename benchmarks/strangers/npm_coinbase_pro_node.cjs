// npm coinbase-pro-node: `matches` of Coinbase Exchange; the side is passed on as it comes, which is the maker's.
const { CoinbasePro, WebSocketChannelName, WebSocketEvent } = require('coinbase-pro-node')

const [wsUrl, httpUrl] = process.argv.slice(2)
const client = new CoinbasePro({ httpUrl, wsUrl, apiKey: '', apiSecret: '', passphrase: '' })
const channel = { name: WebSocketChannelName.MATCHES, product_ids: ['BTC-USD'] }
client.ws.on(WebSocketEvent.ON_OPEN, () => client.ws.subscribe(channel))
client.ws.on(WebSocketEvent.ON_MESSAGE, (told) => {
  if (told.type === 'match') {
    console.log(JSON.stringify([told.trade_id, told.trade_id, told.price, told.size, told.side, Date.parse(told.time)]))
  }
})
client.ws.connect()
