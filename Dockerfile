# The image of operator and data plane. hack/image.sh makes all of it; here it is only packed.
#   docker buildx build --platform linux/amd64,linux/arm64 --tag smartflow:0.1.0 .
FROM --platform=$BUILDPLATFORM node:26-bookworm-slim AS build
ARG TARGETARCH
COPY . /src
RUN /src/hack/image.sh /image "$TARGETARCH"

FROM scratch
COPY --from=build /image /
ENV NODE_ENV=production NODE_COMPILE_CACHE=/app/.cache NODE_COMPILE_CACHE_PORTABLE=1
WORKDIR /app
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/node"]
# A folder with a program: dataplane or operator.
CMD ["dataplane"]
