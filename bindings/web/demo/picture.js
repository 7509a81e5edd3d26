// The pictures that are sent: a drawn one, or the camera's.

const WIDTH = 320;
const HEIGHT = 180;
const QUALITY = 0.6;

/** Returns a hue that is the same wherever the text is. */
export function hueOf(some) {
  return [...some].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7);
}

/** Makes pictures of a name with a counter, or of the camera. */
export class Source {
  #canvas = Object.assign(document.createElement('canvas'), { width: WIDTH, height: HEIGHT });
  #name;
  #count = 0;
  #video;
  #wantsCamera = false;

  constructor(name) {
    this.#name = name;
  }

  /** Takes the camera, if the user allows it, or gives it back. */
  async useCamera(isWanted) {
    this.#video?.srcObject.getTracks().forEach((track) => track.stop());
    this.#video = undefined;
    this.#wantsCamera = isWanted;
    if (!isWanted) return;
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width: WIDTH, height: HEIGHT } });
    const video = Object.assign(document.createElement('video'), { srcObject: stream, muted: true });
    await video.play();
    // Meanwhile it may be unwanted.
    if (this.#wantsCamera) this.#video = video;
    else stream.getTracks().forEach((track) => track.stop());
  }

  /** Returns the next picture as WebP. */
  async next() {
    this.#count += 1;
    const pen = this.#canvas.getContext('2d');
    if (this.#video) pen.drawImage(this.#video, 0, 0, WIDTH, HEIGHT);
    else this.#draw(pen);
    pen.fillStyle = '#0009';
    pen.fillRect(0, HEIGHT - 26, WIDTH, 26);
    pen.fillStyle = '#fff';
    pen.font = '14px system-ui, sans-serif';
    pen.textAlign = 'left';
    pen.fillText(`picture ${this.#count}`, 10, HEIGHT - 8);
    const blob = await new Promise((resolve) => this.#canvas.toBlob(resolve, 'image/webp', QUALITY));
    return new Uint8Array(await blob.arrayBuffer());
  }

  #draw(pen) {
    const hue = hueOf(this.#name);
    const sky = pen.createLinearGradient(0, 0, WIDTH, HEIGHT);
    sky.addColorStop(0, `hsl(${hue} 60% 32%)`);
    sky.addColorStop(1, `hsl(${hue + 40} 60% 16%)`);
    pen.fillStyle = sky;
    pen.fillRect(0, 0, WIDTH, HEIGHT);
    for (let ring = 0; ring < 3; ring += 1) {
      const turn = this.#count / 12 + (ring * Math.PI * 2) / 3;
      pen.fillStyle = `hsl(${hue + ring * 30} 80% 65% / 0.7)`;
      pen.beginPath();
      pen.arc(WIDTH / 2 + Math.cos(turn) * 105, HEIGHT / 2 + Math.sin(turn) * 50, 15, 0, Math.PI * 2);
      pen.fill();
    }
    pen.fillStyle = '#fff';
    pen.font = 'bold 34px system-ui, sans-serif';
    pen.textAlign = 'center';
    pen.fillText(this.#name, WIDTH / 2, HEIGHT / 2 + 12, WIDTH - 20);
  }
}

/** Draws what a member sent. What is no picture, as of native participants, is shown as text. */
export async function show(canvas, payload) {
  const isPicture = (payload[0] === 0x52 && payload[8] === 0x57) || (payload[0] === 0xff && payload[1] === 0xd8);
  const pen = canvas.getContext('2d');
  if (isPicture) {
    const picture = await createImageBitmap(new Blob([payload]));
    pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
    picture.close();
    return;
  }
  const said = new TextDecoder().decode(payload).slice(0, 24);
  pen.fillStyle = `hsl(${hueOf(said)} 25% 20%)`;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = '#fff';
  pen.textAlign = 'center';
  pen.font = 'bold 34px system-ui, sans-serif';
  pen.fillText(said, canvas.width / 2, canvas.height / 2 + 4, canvas.width - 20);
  pen.font = '14px system-ui, sans-serif';
  pen.fillText('no picture, but sealed objects', canvas.width / 2, canvas.height / 2 + 34);
}
