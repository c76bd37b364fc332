// npm @binance/connector: one @trade stream.
const { WebsocketStream } = require('@binance/connector')

const [feed] = process.argv.slice(2)
const silent = { debug() {}, info() {}, warn() {}, error(...words) { console.error(...words) } }
const message = (text) => {
  const told = JSON.parse(text)
  if (told.e === 'trade') {
    console.log(JSON.stringify([told.t, told.t, told.p, told.q, told.m ? 'sell' : 'buy', told.T]))
  }
}
new WebsocketStream({ wsURL: feed, callbacks: { message }, logger: silent }).trade('btcusdt')
