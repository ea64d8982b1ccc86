//! The images of requests. In the tab it is the browser that decodes; here it is the crate `image`, within the same limits. They
//! come as data URLs, because this server fetches nothing.

use std::io::Cursor;
use std::rc::Rc;

use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, ImageResult};
use parlance_api::{Detail, Image, ImageRequest, PictureFuture, RequestError};
use parlance_engine::vision::Picture;
use parlance_pictures::{Header, Kind, LOW_SIDE, MAX_SIDE, PictureError, data_url_bytes, fit, id};

/// Reads an image that a request names. It is decoded once it is encoded: one that was seen before not at all.
pub(crate) fn read(request: &ImageRequest) -> Result<Image, RequestError> {
    let invalid = |message: String| RequestError::Field { param: request.param.clone(), message };
    let Some(data) = request.url.strip_prefix("data:") else {
        return Err(invalid("this server fetches nothing; send the image as a data: URL".to_owned()));
    };
    let bytes = data_url_bytes(data).ok_or_else(|| invalid("its data must be in base64".to_owned()))?;
    let max_side = match request.detail {
        Detail::High => MAX_SIDE,
        Detail::Low => LOW_SIDE,
    };
    let digest = id(&bytes, max_side);
    let file = File::new(bytes, max_side).map_err(|error| invalid(error.to_string()))?;
    let (width, height) = file.size;
    let (file, param) = (Rc::new(file), request.param.clone());
    let picture = move || -> PictureFuture {
        let (file, param) = (Rc::clone(&file), param.clone());
        Box::pin(async move {
            let rgb =
                file.rgb().map_err(|error| RequestError::Field { param, message: damaged(&error).to_string() })?;
            Ok(Picture::new(width, height, rgb)?)
        })
    };
    Ok(Image { digest, width, height, picture: Box::new(picture) })
}

/// The file of an image.
struct File {
    bytes: Vec<u8>,
    format: ImageFormat,
    /// Width and height, upright and scaled.
    size: (u32, u32),
}

impl File {
    fn new(bytes: Vec<u8>, max_side: u32) -> Result<Self, PictureError> {
        let format = match Header::read(&bytes)?.kind {
            Kind::Png => ImageFormat::Png,
            Kind::Jpeg => ImageFormat::Jpeg,
            Kind::Webp => ImageFormat::WebP,
            Kind::Gif => ImageFormat::Gif,
            Kind::Avif => return Err(PictureError::Damaged("this server does not decode AVIF files".to_owned())),
        };
        let size = upright_size(&bytes, format).map_err(|error| damaged(&error))?;
        Ok(Self { bytes, format, size: fit(size.0, size.1, max_side) })
    }

    /// Its colours: `[height][width][3]`.
    fn rgb(&self) -> ImageResult<Vec<u8>> {
        let mut decoder = decoder(&self.bytes, self.format)?;
        let orientation = decoder.orientation()?;
        let mut image = DynamicImage::from_decoder(decoder)?;
        image.apply_orientation(orientation);
        if (image.width(), image.height()) != self.size {
            image = image.resize_exact(self.size.0, self.size.1, FilterType::CatmullRom);
        }
        Ok(image.into_rgba8().pixels().flat_map(|pixel| on_white(pixel.0)).collect())
    }
}

fn decoder(bytes: &[u8], format: ImageFormat) -> ImageResult<impl ImageDecoder> {
    ImageReader::with_format(Cursor::new(bytes), format).into_decoder()
}

/// Its width and height once it is turned as its metadata asks.
fn upright_size(bytes: &[u8], format: ImageFormat) -> ImageResult<(u32, u32)> {
    let mut decoder = decoder(bytes, format)?;
    let (width, height) = decoder.dimensions();
    Ok(match decoder.orientation()? {
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH => {
            (height, width)
        }
        _ => (width, height),
    })
}

/// A colour with transparency on white ground.
fn on_white([red, green, blue, alpha]: [u8; 4]) -> [u8; 3] {
    let alpha = u32::from(alpha);
    [red, green, blue].map(|colour| ((u32::from(colour) * alpha + 255 * (255 - alpha) + 127) / 255) as u8)
}

fn damaged(error: &image::ImageError) -> PictureError {
    PictureError::Damaged(error.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use image::{Rgba, RgbaImage};

    use super::*;

    /// A PNG file that is red and transparent on the left and blue on the right.
    fn png(width: u32, height: u32) -> Vec<u8> {
        let half = |x, _| if 2 * x < width { Rgba([255, 0, 0, 0]) } else { Rgba([0, 0, 255, 255]) };
        let mut file = Cursor::new(Vec::new());
        RgbaImage::from_fn(width, height, half).write_to(&mut file, ImageFormat::Png).unwrap();
        file.into_inner()
    }

    #[test]
    fn images_are_on_white_and_scaled() {
        let file = File::new(png(4, 2), MAX_SIDE).unwrap();
        assert_eq!(file.size, (4, 2));
        let row = [[255, 255, 255], [255, 255, 255], [0, 0, 255], [0, 0, 255]].concat();
        assert_eq!(file.rgb().unwrap(), row.repeat(2));
        let file = File::new(png(1024, 256), LOW_SIDE).unwrap();
        assert_eq!((file.size, file.rgb().unwrap().len()), ((512, 128), 512 * 128 * 3));
    }

    #[test]
    fn photos_are_turned_upright() {
        let mut file = Cursor::new(Vec::new());
        let image = DynamicImage::from(png_pixels(4, 2)).into_rgb8();
        image.write_to(&mut file, ImageFormat::Jpeg).unwrap();
        // One entry of metadata: orientation 6, upright when turned clockwise.
        let exif = b"\xff\xe1\0\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let turned = [&b"\xff\xd8"[..], exif, &file.into_inner()[2..]].concat();
        assert_eq!(File::new(turned, MAX_SIDE).unwrap().size, (2, 4));
    }

    fn png_pixels(width: u32, height: u32) -> RgbaImage {
        image::load_from_memory(&png(width, height)).unwrap().into_rgba8()
    }

    #[test]
    fn what_cannot_be_decoded_is_refused() {
        let whole = png(300, 200);
        for len in [0, 10, 30] {
            assert!(File::new(whole[..len].to_vec(), MAX_SIDE).is_err(), "{len}");
        }
        // Its header is whole.
        assert!(File::new(whole[..whole.len() - 20].to_vec(), MAX_SIDE).unwrap().rgb().is_err());
        let mut lying = whole;
        lying[16..24].copy_from_slice(&[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
        assert_eq!(File::new(lying, MAX_SIDE).err(), Some(PictureError::TooManyPixels(30_000, 30_000)));
    }
}
