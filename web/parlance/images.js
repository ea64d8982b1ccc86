/** `blob:` URLs for the images of a request that are `Blob`s, such as `File`s, or `ImageBitmap`s. */
export class ImageUrls {
  #urls = [];

  /** The request with URLs in their place. */
  async inBody(body) {
    if (!Array.isArray(body?.messages)) return body;
    return { ...body, messages: await Promise.all(body.messages.map((message) => this.#inMessage(message))) };
  }

  revoke() {
    this.#urls.forEach((url) => URL.revokeObjectURL(url));
  }

  async #inMessage(message) {
    if (!Array.isArray(message?.content)) return message;
    return { ...message, content: await Promise.all(message.content.map((part) => this.#inPart(part))) };
  }

  async #inPart(part) {
    if (part?.type !== "image_url") return part;
    const image = isImage(part.image_url) ? { url: part.image_url } : part.image_url;
    return { ...part, image_url: isImage(image?.url) ? { ...image, url: await this.#url(image.url) } : image };
  }

  async #url(image) {
    let blob = image;
    if (isBitmap(image)) {
      const canvas = new OffscreenCanvas(image.width, image.height);
      canvas.getContext("2d").drawImage(image, 0, 0);
      blob = await canvas.convertToBlob();
    }
    const url = URL.createObjectURL(blob);
    this.#urls.push(url);
    return url;
  }
}

const isImage = (value) => value instanceof Blob || isBitmap(value);

const isBitmap = (value) => typeof ImageBitmap !== "undefined" && value instanceof ImageBitmap;
