# docker build -t souk .
# docker run -d --name souk -v souk:/data -p 4101:4101 -p 4101:4101/udp souk
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# Static, so that the image holds nothing else.
RUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /out/souk ./cmd/node \
 && mkdir -m 0700 /out/data /out/tmp

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/souk /usr/bin/souk
COPY --from=build --chown=65532:65532 /out/data /data
COPY --from=build --chown=65532:65532 /out/tmp /tmp
# Nobody's number: no user of the host, and no name is needed.
USER 65532:65532
ENV SOUK_REPO=/data
VOLUME /data
EXPOSE 4101/tcp 4101/udp
# Docker waits 10 s after this before it kills; the node drains for 7 s.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=3s --start-period=60s CMD ["/usr/bin/souk", "health"]
ENTRYPOINT ["/usr/bin/souk"]
CMD ["run"]
