"""Short videos: {"codec": …, "format": …, "operation": "encode"|"transcode"|"gif"|"watermark"|"audio"}."""

import io

import av
from PIL import Image, ImageDraw


def frames(count, size=(160, 120)):
    for number in range(count):
        image = Image.new("RGB", size, "navy")
        ImageDraw.Draw(image).rectangle((number * 4, 20, number * 4 + 30, 60), fill="yellow")
        yield av.VideoFrame.from_image(image)


def encode(event, images):
    written = io.BytesIO()
    with av.open(written, "w", format=event.get("format", "mp4")) as container:
        stream = container.add_stream(event.get("codec", "mpeg4"), rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, event.get("pixels", "yuv420p")
        for image in images:
            container.mux(stream.encode(image.reformat(format=stream.pix_fmt)))
        container.mux(stream.encode())
    return written.getvalue()


def decode(data):
    with av.open(io.BytesIO(data)) as container:
        return list(container.decode(video=0))


def watermark(images, text):
    for frame in images:
        image = frame.to_image()
        ImageDraw.Draw(image).text((4, 4), text, fill="white")
        yield av.VideoFrame.from_image(image)


def audio(event):
    written = io.BytesIO()
    with av.open(written, "w", format=event.get("format", "wav")) as container:
        stream = container.add_stream(event.get("codec", "pcm_s16le"), rate=48000)
        frame = av.AudioFrame(format="s16", layout="stereo", samples=1024)
        frame.sample_rate = 48000
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        resampler = av.AudioResampler(format=stream.format, layout=stream.layout, rate=48000)
        for part in resampler.resample(frame):
            container.mux(stream.encode(part))
        container.mux(stream.encode())
    return len(written.getvalue())


def filtered(images, name, words):
    graph = av.filter.Graph()
    source = graph.add_buffer(width=160, height=120, format="rgb24", time_base="1/10")
    chosen, sink = graph.add(name, words), graph.add("buffersink")
    source.link_to(chosen)
    chosen.link_to(sink)
    graph.configure()
    for number, image in enumerate(images):
        image.pts = number
        graph.push(image)
        yield graph.pull()


def handler(event):
    operation = event.get("operation", "encode")
    if operation == "audio":
        return {"bytes": audio(event)}
    count = event.get("frames", 5)
    data = b"no video" if event.get("broken") else encode({}, frames(count))
    if operation == "encode":
        data = encode(event, frames(count))
    elif operation == "transcode":
        data = encode(event, decode(data))
    elif operation == "watermark":
        data = encode({}, watermark(decode(data), event.get("text", "cntr")))
    elif operation == "filter":
        data = encode({}, filtered(frames(count), event["filter"], event.get("words", "")))
    elif operation == "gif":
        images = [frame.to_image() for frame in decode(data)]
        written = io.BytesIO()
        images[0].save(written, "GIF", save_all=True, append_images=images[1:])
        data = written.getvalue()
    else:
        raise ValueError(f"no operation {operation}")
    return {"frames": len(decode(data)), "bytes": len(data)}
