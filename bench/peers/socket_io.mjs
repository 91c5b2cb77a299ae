// A room of Socket.IO as one would write it plainly: prints its address, forwards what is published to the room.
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, {
  transports: ["websocket"],
  pingInterval: 300_000, // the load generator sits idle between rounds
  pingTimeout: 300_000,
  maxHttpBufferSize: 1e6,
  perMessageDeflate: false,
});

io.on("connection", (socket) => {
  socket.on("join", (room, done) => {
    socket.join(room);
    done();
  });
  socket.on("publish", (room, message) => io.to(room).emit("message", message));
});

http.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, () => {
  console.log(`http://127.0.0.1:${http.address().port}`);
});
